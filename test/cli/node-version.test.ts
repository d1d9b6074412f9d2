import { readFileSync } from 'node:fs'
import { expect, it, test } from 'vitest'
import { nodeTooOld } from '../../src/cli/node-version.ts'

test.each(['18.0.0', '20.19.5', '22.17.1', '22.9.0'])(
  'Node %s is too old, and the message says so',
  version => {
    expect(nodeTooOld(version)).toBe(`this is Node ${version}, which is too old; install Node 22.18 or newer`)
  }
)

test.each(['22.18.0', '22.20.1', '23.0.0', '24.21.0', '100.0.0'])('Node %s will do', version => {
  expect(nodeTooOld(version)).toBeUndefined()
})

it('asks for the Node that package.json asks for', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    engines: { node: string }
  }
  const oldest = manifest.engines.node.replace('>=', '')
  expect(nodeTooOld(`${oldest}.0`)).toBeUndefined()
  expect(nodeTooOld('22.17.99')).toContain(oldest)
})
