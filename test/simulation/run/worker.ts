/** One worker process of the pool: does the runs that it is told to, one at a time. */
import { settingsFor } from './arguments.ts'
import type { Order, Reply } from './pool.ts'
import { simulate } from './simulate.ts'

process.on('message', ({ seed, common }: Order) => {
  // Nobody is there to be told where the command has ended meanwhile.
  const reply = (message: Reply): void => {
    if (process.connected) process.send!(message)
  }
  simulate(settingsFor(seed, common)).then(
    result => reply({ result }),
    (error: unknown) => reply({ error: error instanceof Error ? String(error.stack) : String(error) })
  )
})
// Ctrl-C reaches the whole group: the command says when it is enough, by closing the channel.
process.on('SIGINT', () => undefined)
process.on('disconnect', () => process.exit())
process.send!('ready')
