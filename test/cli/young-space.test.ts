/** What a peer's process lets V8 have for young objects. */
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const source = fileURLToPath(new URL('../../src/cli/young-space.ts', import.meta.url))

/** Has a process of its own keep much of what it makes for a while, and prints the most that V8 had for young objects, in MiB. */
const program = `
  import { getHeapSpaceStatistics } from 'node:v8'
  const young = () => getHeapSpaceStatistics().find(space => space.space_name === 'new_space').space_size / 2 ** 20
  if (process.argv[1] !== '') (await import(process.argv[1])).boundYoungSpace()
  const kept = []
  let most = 0
  for (let turn = 0; turn < 800; turn++) {
    kept.push(Array.from({ length: 20_000 }, (_, x) => ({ x, y: [x] })))
    if (kept.length > 8) kept.shift()
    most = Math.max(most, young())
    await new Promise(resolve => setImmediate(resolve))
  }
  console.log(most)
`

function mostYoungMiB(bounded: string): number {
  return Number(
    execFileSync(process.execPath, ['--input-type=module', '--eval', program, bounded], { encoding: 'utf8' })
  )
}

it('young objects of a peer get no more than 32 MiB, however much it makes', () => {
  expect(mostYoungMiB(source)).toBeLessThanOrEqual(32)
})
