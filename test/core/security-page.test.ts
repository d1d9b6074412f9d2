/** docs/security.md holds what it says: each of its rows names a test that there is, each limit has its number. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as coreLimits from '../../src/core/limits.ts'
import * as transportLimits from '../../src/libp2p/limits.ts'

/** The fewest attacks and faults that the page is worth reading for. */
const leastRows = 40

function read(path: string): string {
  return readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
}

/** The cells of all rows of the page's tables. */
const rows = read('docs/security.md')
  .split('\n')
  .filter(line => line.startsWith('|'))
  .map(line => line.split('|').map(cell => cell.trim()))

describe('the page on security', () => {
  const shown = rows.flatMap(cells => {
    const [, path, name] = /^`((?:test|scripts)\/\S+\.ts)`: (.+)$/.exec(cells[4] ?? '') ?? []
    return path === undefined ? [] : [{ path, name: name! }]
  })

  it('names for each attack and fault a test that there is', () => {
    expect(shown.length).toBeGreaterThanOrEqual(leastRows)
    for (const { path, name } of shown) expect(plain(read(path)), `${path}: ${name}`).toContain(plain(name))
  })

  it('gives each limit the number that it has', () => {
    const limits: Record<string, unknown> = { ...transportLimits, ...coreLimits }
    const stated = rows.flatMap(([, name, number]) =>
      /^`max\w+`$|^`\w+Ms`$/.test(name ?? '')
        ? [[name!.slice(1, -1), Number(number!.replaceAll(',', ''))]]
        : []
    )
    expect(stated.length).toBeGreaterThan(20)
    for (const [name, number] of stated) expect(limits[String(name)], String(name)).toBe(number)
  })
})

/** Without what Markdown escapes and where lines of a comment break. */
function plain(text: string): string {
  return text.replaceAll('\\', '').replace(/\s*\n \* /g, ' ')
}
