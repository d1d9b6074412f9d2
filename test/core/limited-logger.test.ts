import { describe, expect, it } from 'vitest'
import { limitedLogger, maxLinesPerMinute } from '../../src/core/limited-logger.ts'
import type { Logger } from '../../src/core/ports.ts'

function make() {
  let nowMs = 5
  const lines: unknown[][] = []
  const logger: Logger = {
    debug: (...line) => void lines.push(['debug', ...line]),
    info: (...line) => void lines.push(['info', ...line]),
    warn: (...line) => void lines.push(['warn', ...line]),
    error: (...line) => void lines.push(['error', ...line])
  }
  const pass = (ms: number): void => void (nowMs += ms)
  return { lines, pass, limited: limitedLogger({ logger, clock: { monotonic: () => nowMs } }) }
}

describe('a limited logger', () => {
  it('writes each message so many times a minute, and says then how many it left out', () => {
    const { lines, pass, limited } = make()
    for (let i = 0; i < 10_000; i++) limited.warn('a rumour', { i })
    limited.error('another message')
    expect(lines).toHaveLength(maxLinesPerMinute + 1)
    expect(lines[0]).toEqual(['warn', 'a rumour', { i: 0 }])
    expect(lines.at(-1)).toEqual(['error', 'another message'])
    pass(60_000)
    limited.warn('a rumour', { i: -1 })
    limited.warn('a rumour', { i: -2 })
    expect(lines.slice(-2)).toEqual([
      ['warn', 'a rumour', { i: -1, omitted: 10_000 - maxLinesPerMinute }],
      ['warn', 'a rumour', { i: -2 }]
    ])
  })

  it('leaves no debug line out, and takes no more memory for messages that are never the same', () => {
    const { lines, limited } = make()
    for (let i = 0; i < 100; i++) limited.debug('a message')
    expect(lines).toHaveLength(100)
    for (let i = 0; i < 1_000; i++) limited.info(`message ${i}`)
    expect(lines).toHaveLength(1_100)
    // The first has been forgotten since, the last has not.
    for (let i = 0; i < maxLinesPerMinute; i++) limited.info('message 0')
    for (let i = 0; i < maxLinesPerMinute; i++) limited.info('message 999')
    expect(lines).toHaveLength(1_100 + 2 * maxLinesPerMinute - 1)
  })
})
