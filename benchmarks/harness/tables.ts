/** Results for people: the same tables as text for a terminal and as Markdown for a page. */

export interface Table {
  readonly title: string
  /** Of the columns; the first one names the rows. */
  readonly head: readonly string[]
  readonly rows: ReadonlyArray<readonly string[]>
}

/** Blanks between two columns of a text table. */
const gap = '  '

export function textOf({ title, head, rows }: Table): string {
  const lines = aligned([head, ...rows]).map(cells => cells.join(gap).trimEnd())
  return [title, ...lines].join('\n')
}

export function markdownOf({ title, head, rows }: Table): string {
  const escaped = [head, ...rows].map(row => row.map(cell => cell.replaceAll('|', '\\|')))
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'))
  const lines = [escaped[0]!, rule, ...escaped.slice(1)].map(cells => `| ${cells.join(' | ')} |`)
  return [`## ${title}`, '', ...lines].join('\n')
}

/** Names to the left, numbers to the right. */
function aligned(rows: ReadonlyArray<readonly string[]>): string[][] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
  )
}
