/** `annulus locate`: where a key lies on the ring. */
import type { Command } from 'commander'
import type { Location } from '../api.ts'
import { addClientFlags, checkKey, withClient, type ClientFlags } from './client.ts'
import { print, printJson } from './terminal.ts'

interface LocateFlags extends ClientFlags {
  readonly json?: boolean
}

export function defineLocate(command: Command): void {
  command
    .argument('<key>', 'the key; it need not exist')
    .option('--json', 'print {"key","position","replicas":[[peerId,...],...]}, a list per ring in force')
  addClientFlags(command)
    .addHelpText(
      'after',
      `
While members come or go, two rings are in force: the one before and the one after.

Examples:
  annulus locate greeting                 the peers that keep "greeting"
  annulus locate greeting --json          the same for programs`
    )
    .action((key: string, _options: unknown, self: Command) => locate(key, self.optsWithGlobals()))
}

async function locate(key: string, flags: LocateFlags): Promise<void> {
  checkKey(key)
  const location = await withClient(flags, (client, signal) =>
    client.locate(key, { deadline: flags.timeout, signal })
  )
  const { position, replicas } = location
  if (flags.json === true) printJson({ key, position, replicas })
  else print(formatLocation(location))
}

/** A block of text: the key, its position, and its replicas in ring order, one a line. */
export function formatLocation({ key, position, replicas }: Location): string {
  const titles = replicas.length === 2 ? ['replicas before', 'replicas after'] : ['replicas']
  const width = titles[0]!.length
  const line = (title: string, text: string): string => `${title.padEnd(width)}  ${text}`
  return [
    line('key', key),
    line('position', position),
    ...replicas.flatMap((ring, i) => ring.map((peerId, j) => line(j === 0 ? titles[i]! : '', peerId)))
  ].join('\n')
}
