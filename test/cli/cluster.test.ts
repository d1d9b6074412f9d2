import { Command } from 'commander'
import { expect, it } from 'vitest'
import { startFlags } from '../../src/cli/cluster.ts'
import { addSettings, resolveSettings, settingNames, type Settings } from '../../src/cli/settings.ts'

it('gives each peer all the settings that it has itself', () => {
  const settings: Partial<Settings> = {
    listen: ['/ip4/127.0.0.1/tcp/0'],
    replicas: 2,
    vnodes: 64,
    network: 'n',
    networkKey: 'key',
    allow: 'peers',
    allowClients: 'clients',
    removeAfter: 90_000,
    transferRate: 1_500_000,
    scrubRate: 0,
    maxDisk: 5_000_000,
    json: true
  }
  const args = startFlags(settings, { data: 'd/1', joins: ['/ip4/127.0.0.1/tcp/1'], verbose: false })
  const command = addSettings(new Command(), settingNames).exitOverride().parse(args, { from: 'user' })
  const { values } = resolveSettings({ flags: command.opts(), env: {} })
  expect(values).toEqual({ ...settings, data: 'd/1', join: ['/ip4/127.0.0.1/tcp/1'] })
})
