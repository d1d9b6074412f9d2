/** `annulus churn` as a process: a short run of few peers from a trace, its report, and its usage errors. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ChurnSummary } from '../../src/cli/churn/summary.ts'
import { run, temporaryFolder } from '../support/processes.ts'

/** Peers take seconds to start on a machine that is busy with other tests. */
const timeoutMs = 240_000

describe('a run', () => {
  it(
    'plays a trace, judges what it saw, reads all back, and writes a page that needs no network',
    { timeout: timeoutMs },
    async () => {
      const folder = await temporaryFolder()
      const trace = join(folder, 'trace.csv')
      await writeFile(trace, '0,join,a\n0,join,b\n0,join,c\n1,kill,b\n1.5,return,b\n2,join,<d>\n')
      const report = join(folder, 'report')
      const flags = [
        '--duration=3s',
        '--keys=20',
        '--rate=20',
        '--remove-after=1h',
        `--report=${report}`,
        '--json'
      ]
      const { code, stdout, stderr } = await run(['churn', `--trace=${trace}`, ...flags])
      expect(stderr).not.toContain('wrong')
      expect(code).toBe(0)
      const [summary] = (JSON.parse(stdout) as { runs: ChurnSummary[] }).runs // as --json is documented
      expect(summary).toMatchObject({ wrong: 0, problems: [], readBack: { keys: 20, read: 20 } })
      expect(summary!.gets.called).toBeGreaterThan(0)
      expect(summary!.events.map(({ kind, peer, error }) => [kind, peer, error])).toEqual([
        ['kill', 'b', undefined],
        ['return', 'b', undefined],
        ['join', '<d>', undefined]
      ])
      expect(summary!.movement.movedBytes).toBeGreaterThan(0)
      expect(summary!.balance.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1)
      expect((await readdir(report)).sort()).toEqual(
        ['balance.csv', 'events.csv', 'latency.csv', 'report.html', 'runs.csv'].sort()
      )
      const page = await readFile(join(report, 'report.html'), 'utf8')
      expect(page).not.toMatch(/(src|href)=/)
      expect(page).not.toContain('<d>')
    }
  )
})

describe('a usage error', () => {
  it.each([
    [['--pace=6'], 'Give a whole number from 1 to 5'],
    [['--median=soon'], 'or several with commas between'],
    [['--leave-share=2'], 'Give a number from 0 to 1'],
    [['--trace=/nowhere'], 'the file cannot be read']
  ])('is %j, with exit code 2', async (flags, advice) => {
    const { code, stderr } = await run(['churn', ...flags])
    expect(code).toBe(2)
    expect(stderr.toLowerCase()).toContain(advice.toLowerCase())
  })

  it('is a trace that makes no sense, by its line', async () => {
    const trace = join(await temporaryFolder(), 'trace.csv')
    await writeFile(trace, '0,join,a\n1,vanish,a\n')
    const { code, stderr } = await run(['churn', `--trace=${trace}`])
    expect(code).toBe(2)
    expect(stderr).toContain('line 2: "vanish" is no event')
  })
})
