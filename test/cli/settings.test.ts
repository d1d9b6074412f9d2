import { describe, expect, it, test } from 'vitest'
import { CommandError } from '../../src/cli/errors.ts'
import {
  environmentName,
  resolveSettings,
  settingNames,
  type SettingSources
} from '../../src/cli/settings.ts'

const resolve = (sources: Partial<SettingSources>) => resolveSettings({ flags: {}, env: {}, ...sources })

/** What the user is told: what happened; what to do. */
function complaint(sources: Partial<SettingSources>): string {
  try {
    resolve(sources)
  } catch (error) {
    if (error instanceof CommandError && error.exitCode === 2) return `${error.message}; ${error.advice}`
    throw error
  }
  throw new Error('the settings were taken')
}

describe('precedence', () => {
  const flags = { replicas: '5' }
  const env = { ANNULUS_REPLICAS: '4', ANNULUS_VNODES: '64' }
  const file = { path: 'c.json', content: { replicas: 2, vnodes: 32, network: 'filed' } }

  it('takes a flag before the environment, and that before the file', () => {
    expect(resolve({ flags, env, file }).values).toEqual({ replicas: 5, vnodes: 64, network: 'filed' })
    expect(resolve({ env, file }).values.replicas).toBe(4)
    expect(resolve({ file }).values.replicas).toBe(2)
  })

  it('remembers where each one came from', () => {
    expect(resolve({ flags, env, file }).origins).toEqual({
      replicas: '--replicas',
      vnodes: 'ANNULUS_VNODES',
      network: '"network" in c.json'
    })
  })

  it('takes an empty variable for none', () => {
    expect(resolve({ env: { ANNULUS_NETWORK: '' }, file }).values.network).toBe('filed')
  })
})

it('gives every setting a variable and a key', () => {
  const examples: Record<string, [string, unknown, unknown]> = {
    listen: ['/ip4/127.0.0.1/tcp/0,/ip4/127.0.0.1/tcp/1', ['a', 'b'], 'a'],
    announce: ['a,b', ['a'], 'a'],
    join: ['a, b', ['a'], 'a'],
    data: ['d', 'd', 'd'],
    memory: ['1', true, false],
    replicas: ['3', 3, '3'],
    vnodes: ['128', 128, '128'],
    network: ['n', 'n', 'n'],
    networkKey: ['k', 'k', 'k'],
    allow: ['f', 'f', 'f'],
    allowClients: ['f', 'f', 'f'],
    removeAfter: ['10m', '10m', 0],
    transferRate: ['10MB', '10MB', '64kB'],
    scrubRate: ['0', '500kB', 0],
    maxDisk: ['20GB', '1MiB', '1.5GiB'],
    json: ['true', true, 'false']
  }
  expect(Object.keys(examples)).toEqual(settingNames)
  for (const name of settingNames) {
    const [text, json, other] = examples[name]!
    expect(resolve({ env: { [environmentName(name)]: text } }).values).toHaveProperty(name)
    expect(resolve({ file: { path: 'f', content: { [name]: json } } }).values).toHaveProperty(name)
    expect(resolve({ file: { path: 'f', content: { [name]: other } } }).values).toHaveProperty(name)
  }
})

it('reads lists at commas and durations with units', () => {
  const { values } = resolve({ env: { ANNULUS_JOIN: '/a, /b', ANNULUS_REMOVE_AFTER: '10m' } })
  expect(values).toEqual({ join: ['/a', '/b'], removeAfter: 600_000 })
})

test.each([
  [{ flags: { replicas: '0' } }, '--replicas is "0"; give a whole number from 1 to 15'],
  [{ flags: { replicas: '16' } }, '--replicas is "16"; give a whole number from 1 to 15'],
  [{ flags: { replicas: '3.5' } }, '--replicas is "3.5"; give a whole number from 1 to 15'],
  [{ env: { ANNULUS_VNODES: '5000' } }, 'ANNULUS_VNODES is "5000"; give a whole number from 1 to 1024'],
  [{ env: { ANNULUS_MEMORY: 'maybe' } }, 'ANNULUS_MEMORY is "maybe"; give true or false'],
  [{ flags: { removeAfter: '10' } }, '--remove-after is "10"; give a number with a unit, such as 500ms'],
  [{ flags: { transferRate: '10' } }, '--transfer-rate is "10"; give a number with a unit, such as 500kB'],
  [{ flags: { scrubRate: '-1' } }, '--scrub-rate is "-1"; give a number with a unit, such as 500kB'],
  [{ flags: { transferRate: '1kB' } }, '--transfer-rate is "1kB"; give at least 64000B'],
  [{ flags: { maxDisk: '1kB' } }, '--max-disk is "1kB"; give at least 1048576B'],
  [{ file: { path: 'c.json', content: { vnodes: -1 } } }, '"vnodes" in c.json is -1; give a whole number'],
  [{ file: { path: 'c.json', content: { join: [1] } } }, '"join" in c.json is [1]; give a list of texts'],
  [
    { file: { path: 'c.json', content: { replica: 3 } } },
    'c.json has an unknown key "replica"; the known ones are listen,'
  ],
  [{ file: { path: 'c.json', content: { toString: 3 } } }, 'c.json has an unknown key "toString"'],
  [{ file: { path: 'c.json', content: [] } }, 'c.json does not hold a JSON object'],
  [{ flags: { memory: true }, env: { ANNULUS_DATA: 'd' } }, '--memory and ANNULUS_DATA contradict each other']
])('says what is wrong with %j', (sources, message) => {
  expect(complaint(sources)).toContain(message)
})
