/** When a peer's process has V8 let the space for young objects be. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { boundYoungSpace } from '../../src/cli/young-space.ts'

const bytesPerMiB = 1024 * 1024

it('the space for young objects is let be once it is large enough, which is looked at after collections', async () => {
  let bytes = bytesPerMiB
  let looks = 0
  const flags: string[] = []
  const youngBytes = (): number => {
    looks++
    return bytes
  }
  boundYoungSpace({ youngBytes, setFlags: given => flags.push(given) })
  // What is made here is garbage at once, so collections come.
  const makeUntil = async (isDone: () => boolean): Promise<void> => {
    while (!isDone()) {
      Array.from({ length: 50_000 }, (_, x) => ({ x }))
      await nextTurn()
    }
  }
  await makeUntil(() => looks >= 2)
  expect(flags).toEqual([])
  bytes = 64 * bytesPerMiB
  await makeUntil(() => flags.length > 0)
  expect(flags).toEqual(['--semi-space-growth-factor=1'])
})
