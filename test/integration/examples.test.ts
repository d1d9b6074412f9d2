import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { run } from '../support/processes.ts'

const folder = new URL('../../examples/', import.meta.url)
const names = readdirSync(folder).filter(name => name.endsWith('.ts'))

/** What each prints, in order, peer ids and the like left out. */
const prints: Record<string, RegExp[]> = {
  'client.ts': [
    /^connected$/m,
    /^read: anna$/m,
    /^fruits: 3$/m,
    /^ERR_INVALID, indefinite: false/m,
    /^closed$/m
  ],
  'embed.ts': [/^members: 3$/m, /^stored on [23] replicas/m, /hello, ring/, /^deleted$/m, /^stopped$/m],
  'service.ts': [/, 2 members$/m, /reads: through the node$/m, /^stopped$/m],
  'watch.ts': [
    /^ready: /m,
    /joining 1, leaving 0$/m,
    /leaving 1$/m,
    /has left$/m,
    /^members: 1$/m,
    /^stopped$/m
  ]
}

describe('the examples', () => {
  it('are all known here', () => {
    expect(names.sort()).toEqual(Object.keys(prints))
  })

  it.each(names)('%s does what it says, and ends by itself', async name => {
    const { code, stdout, stderr } = await run([], { script: fileURLToPath(new URL(name, folder)) })
    expect(stderr).toBe('')
    expect(code).toBe(0)
    for (const line of prints[name]!) expect(stdout).toMatch(line)
  })
})
