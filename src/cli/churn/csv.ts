/** Comma-separated values (RFC 4180), as the report of a run has them. */

export type Cell = string | number | null | undefined

/** A line of the names of the first row's columns, and one for each row. */
export function csv(rows: ReadonlyArray<Readonly<Record<string, Cell>>>): string {
  const names = Object.keys(rows[0] ?? {})
  const lines = rows.map(row => names.map(name => cell(row[name])).join(','))
  return [names.map(cell).join(','), ...lines, ''].join('\n')
}

function cell(value: Cell): string {
  const text = value === undefined || value === null ? '' : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
