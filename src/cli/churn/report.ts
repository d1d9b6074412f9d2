/** The report of a sweep: one page that opens without a network, and what it shows as CSV beside it. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { csv } from './csv.ts'
import { drawReport } from './page-script.ts'
import type { KindSummary, ChurnSummary } from './summary.ts'
import { initialEvents } from './schedule.ts'
import { formatTrace } from './trace.ts'

const require = createRequire(import.meta.url)

/** Writes `report.html` and the CSV files into a folder, which is made where it is missing. */
export async function writeReport(folder: string, runs: readonly ChurnSummary[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  const files = { 'report.html': await page(runs), ...tables(runs) }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
}

function tables(runs: readonly ChurnSummary[]): Record<string, string> {
  const each = <T>(rowsOf: (run: ChurnSummary) => readonly T[]): Array<T & { readonly run: number }> =>
    runs.flatMap((run, i) => rowsOf(run).map(row => ({ run: i + 1, ...row })))
  return {
    'runs.csv': csv(each(run => [headline(run)])),
    'latency.csv': csv(
      each(({ series }) =>
        series.map(({ atMs, get, put, succeeded, failed }) => ({
          seconds: atMs / 1_000,
          succeeded,
          failed,
          ...quantiles('get', get),
          ...quantiles('put', put)
        }))
      )
    ),
    'events.csv': csv(
      each(({ events }) =>
        events.map(({ atMs, kind, peer, peerId, doneMs, replicatedMs, error }) => ({
          seconds: atMs / 1_000,
          event: kind,
          peer,
          peerId,
          doneSeconds: doneMs === undefined ? undefined : doneMs / 1_000,
          replicatedSeconds: replicatedMs === undefined ? undefined : replicatedMs / 1_000,
          error
        }))
      )
    ),
    'balance.csv': csv(
      each(({ balance }) => balance.map(({ peerId, share, records }) => ({ peerId, share, records })))
    ),
    ...Object.fromEntries(traces(runs))
  }
}

/** Who came and went in each run that was drawn, to be played again with `--trace`. */
function traces(runs: readonly ChurnSummary[]): Array<[name: string, content: string]> {
  return runs.flatMap(({ events, settings }, i) => {
    if (settings.medianMs === undefined) return []
    return [[`trace-${i + 1}.csv`, formatTrace([...initialEvents(settings.peers), ...events])]]
  })
}

function quantiles(
  kind: 'get' | 'put',
  latency: KindSummary['latency'] | null
): Record<string, number | undefined> {
  return { [`${kind}P50Ms`]: latency?.p50, [`${kind}P95Ms`]: latency?.p95, [`${kind}P99Ms`]: latency?.p99 }
}

/** One line of a run: of the page's table and of runs.csv. */
function headline(run: ChurnSummary): Record<string, string | number | undefined> {
  const { settings, gets, puts, wrong, readBack, movement, traffic, falseSuspicions, events, loadMs } = run
  const { medianMs, peers, removeAfterMs, pace } = settings
  const took = events
    .flatMap(({ doneMs, replicatedMs }) =>
      doneMs === undefined || replicatedMs === undefined ? [] : [(replicatedMs - doneMs) / 1_000]
    )
    .sort((a, b) => a - b)
  return {
    'median session, min': medianMs === undefined ? undefined : rounded(medianMs / 60_000),
    minutes: rounded(loadMs / 60_000),
    peers,
    'removed after, s': removeAfterMs / 1_000,
    pace,
    events: events.length,
    gets: gets.called,
    'gets failed': gets.failed,
    'for want of a quorum': gets.lackedQuorum,
    puts: puts.called,
    'puts failed': puts.failed,
    wrong,
    'read back': `${readBack.read} of ${readBack.keys}`,
    'get p50, ms': rounded(gets.latency.p50),
    'get p99, ms': rounded(gets.latency.p99),
    'put p50, ms': rounded(puts.latency.p50),
    'put p99, ms': rounded(puts.latency.p99),
    'moved, KiB': rounded(movement.movedBytes / 1_024),
    'least, KiB': rounded(movement.leastBytes / 1_024),
    'moved / least': movement.ratio === null ? undefined : rounded(movement.ratio),
    'replicated again, median s': took.length === 0 ? undefined : rounded(took[Math.floor(took.length / 2)]!),
    'gossip, B/s a peer': Math.round((traffic.gossip * 1_000) / loadMs / peers),
    'wrongly suspected': falseSuspicions.suspected,
    'wrongly taken for down': falseSuspicions.takenForDown
  }
}

function rounded(value: number): number {
  return Number(value.toPrecision(4))
}

async function page(runs: readonly ChurnSummary[]): Promise<string> {
  const [library, style] = await Promise.all(
    ['uplot/dist/uPlot.iife.min.js', 'uplot/dist/uPlot.min.css'].map(file =>
      readFile(require.resolve(file), 'utf8')
    )
  )
  const hasMedians = runs.some(({ settings }) => settings.medianMs !== undefined)
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Annulus under churn</title>
<style>${style}${ownStyle}</style>
<h1>Annulus under churn</h1>
<p>Peers that come and go, under a steady load of puts and gets, each of which was judged. All times but latencies are
those of the cluster, which went ${[...new Set(runs.map(({ settings }) => settings.pace))].join(', ')} times as fast as real time.
Lines in the charts: <b class="join">join</b>, <b class="return">return</b> (dotted), <b class="leave">leave</b> (dashed),
<b class="kill">kill</b>.</p>
<div class="wide">${headlineTable(runs)}</div>
<section${hasMedians ? '' : ' hidden'}><div id="success"></div><div id="movement"></div></section>
${runs.map(runSection).join('\n')}
<script>${library}</script>
<script>(${drawReport.toString()})(uPlot, ${asScript(runs)})</script>
</html>
`
}

const ownStyle = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 24px; color: #222; background: #fff; }
h1, h2 { font-weight: 600; } .wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: 2px 10px; border-bottom: 1px solid #ddd; text-align: right; }
th { font-weight: 600; vertical-align: bottom; } td:first-child, th:first-child { text-align: left; }
.wrong { color: #c62828; } .join { color: #2e7d32; } .return { color: #7cb342; } .leave { color: #8e6fc1; } .kill { color: #c62828; }
.uplot { margin: 16px 0; }`

/** Turned on its side, as there are more columns than runs. */
function headlineTable(runs: readonly ChurnSummary[]): string {
  const lines = runs.map(headline)
  const names = Object.keys(lines[0] ?? {})
  const rows = names.map(name => [name, ...lines.map(line => line[name] ?? '')])
  return `<table>${rows.map(cells => `<tr>${cells.map(cell => `<td>${escaped(String(cell))}</td>`).join('')}</tr>`).join('')}</table>`
}

function runSection(run: ChurnSummary, i: number): string {
  const { medianMs, peers } = run.settings
  const sessions = medianMs === undefined ? 'as traced' : `median session ${rounded(medianMs / 60_000)} min`
  const problems = run.problems.map(problem => `<p class="wrong">${escaped(problem)}</p>`).join('')
  const violations = run.violations.map(
    ({ guarantee, subject, what }) => `<li>${escaped(`${guarantee}, ${subject}: ${what}`)}</li>`
  )
  const charts = ['latency', 'failed', 'replicated', 'balance'].map(name => `<div id="${name}-${i}"></div>`)
  return `<h2>Run ${i + 1}: ${peers} peers, ${sessions}</h2>${problems}<ul class="wrong">${violations.join('')}</ul>${charts.join('')}`
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`)
}

/** As JSON that no text in it can end the script of. */
function asScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c')
}
