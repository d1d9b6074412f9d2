/** Shows what a peer takes over while it joins, until it is ready. Used by `start`. */
import type { Peer, TransferEvent } from '../api.ts'
import { MovementTally, startMovementProgress, type MovementProgress } from './movement-progress.ts'

/** Resolves when the peer is ready; throws what `ready` does. */
export async function showJoining(peer: Peer, signal: AbortSignal): Promise<void> {
  const tally = new MovementTally()
  let progress: Promise<MovementProgress> | undefined
  const show = async (event: TransferEvent): Promise<void> => {
    if (event.kind !== 'take') return
    const movement = tally.add(event.phase === 'ended' ? [] : [event])
    // One that has nothing to take over shows nothing.
    progress ??= startMovementProgress('taking over')
    ;(await progress).show(movement)
  }
  const stopListening = peer.on('transfer', event => void show(event))
  try {
    await peer.ready({ signal })
  } finally {
    stopListening()
    ;(await progress)?.end()
  }
}
