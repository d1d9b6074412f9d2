/**
 * Bounds the part of V8's heap for young objects in a process that is a peer and nothing else. Under load Node 24 lets it grow to
 * 128 MiB, of which a peer's requests, short-lived as they are, have no use: with 32 MiB a peer with 100,000 records has some 230 MiB
 * resident rather than 325, for the same processor time (`npm run bench:memory`, docs/performance.md).
 *
 * There is a flag for the bound, `--max-semi-space-size`, but it counts only on the command line of `node`, which is not ours to
 * write. By how much the space grows V8 asks each time, so that is what is set, when it is as large as it shall be. It may still
 * grow a little after that, by V8's own reckoning.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** From this size on V8 is told to let it be, in bytes. */
const enoughBytes = 32 * 1024 * 1024

export interface V8 {
  /** What it has for young objects now. */
  readonly youngBytes: () => number
  readonly setFlags: (flags: string) => void
}

export function boundYoungSpace(v8: V8 = { youngBytes, setFlags: setFlagsFromString }): void {
  const observer = new PerformanceObserver(() => {
    if (v8.youngBytes() < enoughBytes) return
    v8.setFlags('--semi-space-growth-factor=1')
    observer.disconnect()
  })
  // It grows in collections of garbage only.
  observer.observe({ entryTypes: ['gc'] })
}

function youngBytes(): number {
  return getHeapSpaceStatistics().find(space => space.space_name === 'new_space')?.space_size ?? 0
}
