/**
 * Equal layouts are one object for as long as somebody uses it. A ring of a thousand peers takes some 400 ms
 * of hashing and 5 MB; where many peers run in one process (a cluster of one machine, the simulator) they
 * pay for it once. What a layout is does not depend on this, only what it costs. Used by ring.ts.
 */
import { hash } from 'node:crypto'
import { Layout, type Place } from './layout.ts'

const layouts = new Map<string, WeakRef<Layout>>()

/** The layout of these peers, sorted by id: one in use, or made from `from`. */
export function sharedLayout(from: Layout, places: readonly Place[]): Layout {
  if (places.length === 0) return Layout.empty
  const name = nameOf(places)
  const inUse = layouts.get(name)?.deref()
  if (inUse !== undefined) return inUse
  // Only what decides tokens: a layout outlives the members it was first made for.
  const made = from.rearranged(places.map(({ peerId, vnodes }) => ({ peerId, vnodes })))
  forgetUnused()
  layouts.set(name, new WeakRef(made))
  return made
}

/** Runs each time one is made, so no more names are kept than layouts lived since. */
function forgetUnused(): void {
  for (const [name, layout] of layouts) {
    if (layout.deref() === undefined) layouts.delete(name)
  }
}

function nameOf(places: readonly Place[]): string {
  return hash('sha256', places.map(({ peerId, vnodes }) => `${peerId}/${vnodes}`).join('\n'))
}
