/**
 * What draws the report's charts. It runs in the browser: report.ts puts the text of `drawReport` into the page, so it
 * uses nothing that is declared outside of it but types.
 */
import type uPlot from 'uplot'
import type { ChurnSummary } from './summary.ts'

/** Draws the charts of all runs into the elements of the page that are there for them. */
export function drawReport(Plot: typeof uPlot, runs: readonly ChurnSummary[]): void {
  const colours = {
    get: '#1769aa',
    put: '#b3541e',
    join: '#2e7d32',
    return: '#7cb342',
    leave: '#8e6fc1',
    kill: '#c62828'
  }
  // eslint-disable-next-line @typescript-eslint/no-unsafe-enum-assignment -- the library's enum exists in types alone
  const logarithmic = 3 as uPlot.Scale.Distr
  const width = Math.min(1_000, document.body.clientWidth - 48)

  const element = (id: string): HTMLElement => {
    const found = document.getElementById(id)
    if (found === null) throw new Error(`the page has no element ${id}`)
    return found
  }
  const line = (label: string, stroke: string, more: Partial<uPlot.Series> = {}): uPlot.Series => ({
    label,
    stroke,
    width: 2,
    points: { show: false },
    spanGaps: true,
    ...more
  })
  const dots = (label: string, stroke: string): uPlot.Series =>
    line(label, stroke, { width: 0, points: { show: true, size: 8, fill: stroke } })
  const joined = (label: string, stroke: string): uPlot.Series =>
    line(label, stroke, { points: { show: true, size: 8, fill: stroke } })
  const axes = (x: string, y: string, xValues?: (splits: number[]) => string[]): uPlot.Axis[] => [
    {
      label: x,
      ...(xValues === undefined ? {} : { values: (_: uPlot, splits: number[]) => xValues(splits) })
    },
    { label: y, size: 64 }
  ]
  const draw = (
    id: string,
    title: string,
    options: Pick<uPlot.Options, 'series' | 'axes'> & Partial<uPlot.Options>,
    data: ReadonlyArray<ReadonlyArray<number | null>>
  ): void => {
    const chart = { title, width, height: 280, scales: { x: { time: false } }, ...options }
    // The library would take arrays that may change; it only reads them.
    element(id).append(new Plot(chart, data as uPlot.AlignedData).root)
  }

  /** A vertical line at each coming and going, behind the curves. */
  const eventMarks = (run: ChurnSummary): uPlot.Plugin => ({
    hooks: {
      drawAxes: (plot: uPlot) => {
        const { ctx, bbox } = plot
        ctx.save()
        for (const { atMs, kind } of run.events) {
          const x = Math.round(plot.valToPos(atMs / 1_000, 'x', true))
          ctx.strokeStyle = colours[kind]
          ctx.lineWidth = kind === 'kill' || kind === 'leave' ? 4 : 2
          ctx.setLineDash(kind === 'leave' ? [6, 4] : kind === 'return' ? [2, 3] : [])
          ctx.beginPath()
          ctx.moveTo(x, bbox.top)
          ctx.lineTo(x, bbox.top + bbox.height)
          ctx.stroke()
        }
        ctx.restore()
      }
    }
  })

  const drawRun = (run: ChurnSummary, index: number): void => {
    const { series, events, balance, loadMs } = run
    const seconds = series.map(({ atMs }) => atMs / 1_000)
    const wholeTime = { x: { time: false, range: (): [number, number] => [0, loadMs / 1_000] } }
    draw(
      `latency-${index}`,
      'Latency over time, with who came and went',
      {
        scales: { ...wholeTime, y: { distr: logarithmic } },
        plugins: [eventMarks(run)],
        axes: axes('seconds of the cluster’s time', 'ms'),
        series: [
          { label: 'at' },
          line('get p50', colours.get),
          line('get p99', colours.get, { dash: [6, 4], width: 1 }),
          line('put p50', colours.put),
          line('put p99', colours.put, { dash: [6, 4], width: 1 })
        ]
      },
      [
        seconds,
        series.map(({ get }) => get?.p50 ?? null),
        series.map(({ get }) => get?.p99 ?? null),
        series.map(({ put }) => put?.p50 ?? null),
        series.map(({ put }) => put?.p99 ?? null)
      ]
    )
    draw(
      `failed-${index}`,
      'Operations that failed',
      {
        height: 180,
        scales: {
          ...wholeTime,
          y: { range: (_: uPlot, _least: number, most: number) => [0, Math.max(1, most)] }
        },
        plugins: [eventMarks(run)],
        axes: axes('seconds of the cluster’s time', 'operations'),
        series: [{ label: 'at' }, line('failed', colours.kill, { fill: '#c6282833' })]
      },
      [seconds, series.map(({ failed }) => failed)]
    )
    const told = events.filter(
      ({ doneMs, replicatedMs }) => doneMs !== undefined && replicatedMs !== undefined
    )
    const kinds = ['join', 'return', 'leave', 'kill'] as const
    draw(
      `replicated-${index}`,
      'Time until every record was on all of its replicas again, by event',
      {
        scales: {
          ...wholeTime,
          y: { range: (_: uPlot, _least: number, most: number) => [0, Math.max(1, most * 1.1)] }
        },
        axes: axes('seconds of the cluster’s time', 'seconds'),
        series: [{ label: 'at' }, ...kinds.map(kind => dots(kind, colours[kind]))]
      },
      [
        told.map(({ atMs }) => atMs / 1_000),
        ...kinds.map(wanted =>
          told.map(({ kind, doneMs, replicatedMs }) =>
            kind === wanted ? ((replicatedMs ?? 0) - (doneMs ?? 0)) / 1_000 : null
          )
        )
      ]
    )
    const records = balance.reduce((sum, member) => sum + (member.records ?? 0), 0)
    const ordered = [...balance].sort((a, b) => b.share - a.share)
    draw(
      `balance-${index}`,
      'Ring balance in the end: what each member has, over the mean',
      {
        scales: {
          x: { time: false, range: () => [-0.5, ordered.length - 0.5] },
          y: { range: (_: uPlot, _least: number, most: number) => [0, Math.max(1.5, most * 1.1)] }
        },
        axes: axes('member', 'over the mean', splits =>
          splits.map(at => ordered[at]?.peerId.slice(-6) ?? '')
        ),
        series: [{ label: 'at' }, dots('share of the ring', colours.get), dots('records', colours.put)]
      },
      [
        ordered.map((_, i) => i),
        ordered.map(({ share }) => share * ordered.length),
        ordered.map(member =>
          member.records === null ? null : (member.records * ordered.length) / Math.max(1, records)
        )
      ]
    )
  }

  const drawSweep = (): void => {
    const x = runs.map((_, i) => i)
    const name = (at: number): string => {
      const medianMs = runs[at]?.settings.medianMs
      return medianMs === undefined ? '' : `${Number((medianMs / 60_000).toFixed(2))}`
    }
    const sweep = {
      scales: { x: { time: false, range: (): [number, number] => [-0.5, runs.length - 0.5] } },
      xLabels: (splits: number[]): string[] => splits.map(name)
    }
    const percent = ({ succeeded, called }: ChurnSummary['gets']): number =>
      (100 * succeeded) / Math.max(1, called)
    draw(
      'success',
      'Operations that succeeded, over the median session',
      {
        scales: {
          ...sweep.scales,
          y: { range: (_: uPlot, least: number) => [Math.min(99, least - 0.5), 100.1] }
        },
        axes: axes('minutes', '%', sweep.xLabels),
        series: [{ label: 'at' }, joined('gets', colours.get), joined('puts', colours.put)]
      },
      [x, runs.map(({ gets }) => percent(gets)), runs.map(({ puts }) => percent(puts))]
    )
    draw(
      'movement',
      'Record bytes moved, over the median session',
      {
        scales: {
          ...sweep.scales,
          y: { range: (_: uPlot, _least: number, most: number) => [0, Math.max(1, most * 1.1)] }
        },
        axes: axes('minutes', 'KiB', sweep.xLabels),
        series: [
          { label: 'at' },
          joined('moved', colours.put),
          joined('the least that has to move', colours.join)
        ]
      },
      [
        x,
        runs.map(({ movement }) => movement.movedBytes / 1_024),
        runs.map(({ movement }) => movement.leastBytes / 1_024)
      ]
    )
  }

  drawSweep()
  runs.forEach(drawRun)
}
