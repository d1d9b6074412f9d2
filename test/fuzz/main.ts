/**
 * `npm run fuzz -- [--messages N] [--seconds S] [--seed S] [--message NUMBER] [--live MESSAGES]`: see CONTRIBUTING.md.
 * Ends with exit code 1 at the first message that does harm, having said how to see it again.
 */
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { makeDecoders } from './decoders.ts'
import { fuzz, FuzzFailure } from './fuzz.ts'
import { fuzzLive, type LiveResult } from './live.ts'

/** One message may take so long, in ms; many thousand times what most do. */
const hangMs = 20_000

/** Between two lines of progress, in ms. */
const progressMs = 5_000

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '3600' },
    seed: { type: 'string', default: '1' },
    message: { type: 'string' },
    live: { type: 'string', default: '0' }
  }
})

/** A flag that is a whole number. */
function whole(name: keyof typeof values): number {
  const text = values[name] ?? '0'
  if (/^\d{1,12}$/.test(text)) return Number(text)
  process.stderr.write(`--${name} is "${text}"; give a whole number\n`)
  process.exit(2)
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Ends the process from another thread where a message hangs this one. Gives what tells it that one began, and what ends it. */
function watch(seed: number): {
  readonly tell: (number: number) => void
  readonly end: () => Promise<number>
} {
  const current = new BigInt64Array(new SharedArrayBuffer(8))
  const code = `
    const { workerData, parentPort } = require('node:worker_threads')
    const { writeSync } = require('node:fs')
    const { current, seed, hangMs } = workerData
    let last = -1n
    setInterval(() => {
      const now = Atomics.load(current, 0)
      if (now === last) {
        writeSync(2, 'message ' + now + ' hangs; again with: npm run fuzz -- --seed ' + seed + ' --message ' + now + '\\n')
        process.kill(process.pid, 'SIGKILL')
      }
      last = now
    }, hangMs)`
  const worker = new Worker(code, { eval: true, workerData: { current, seed, hangMs } })
  worker.unref()
  const tell = (number: number): void => void Atomics.store(current, 0, BigInt(number))
  return { tell, end: () => worker.terminate() }
}

async function fuzzDecoders(): Promise<void> {
  const seed = whole('seed')
  // Most messages are refused with an error, whose stack costs an eighth of the time. One message alone shows it.
  if (values.message === undefined) Error.stackTraceLimit = 0
  const { decoders, stop } = await makeDecoders()
  const { tell, end } = watch(seed)
  const endAt = performance.now() + whole('seconds') * 1_000
  let saidAt = performance.now()
  const onMessage = (number: number): void => {
    tell(number)
    if (performance.now() - saidAt < progressMs) return
    saidAt = performance.now()
    say(`${number} messages, ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`)
  }
  const one = values.message === undefined ? {} : { first: whole('message'), messages: 1 }
  const init = {
    seed,
    messages: whole('messages'),
    ...one,
    onMessage,
    isOver: () => performance.now() > endAt
  }
  const { messages, counts } = await fuzz(decoders, init).finally(() => Promise.all([stop(), end()]))
  for (const [name, { read, refused }] of counts) say(`${name.padEnd(34)} ${read} read, ${refused} refused`)
  say(`${messages} messages of seed ${seed}: each was read or refused`)
}

async function fuzzStreams(messages: number): Promise<void> {
  const told = ({ messages, streams, answers, heapBytes: [warm, last] }: LiveResult): string =>
    `${messages} messages on ${streams} streams, ${answers} answers; ${mb(warm)} in use at first, ${mb(last)} now`
  const onProgress = (result: LiveResult): void => say(told(result))
  const result = await fuzzLive({ seed: whole('seed'), messages, onProgress })
  say(`the client was served all the while: ${told(result)}`)
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

process.on('unhandledRejection', error => {
  say(`nobody caught: ${String(error)}`)
  process.exit(1)
})
try {
  await fuzzDecoders()
  Error.stackTraceLimit = 10
  if (whole('live') > 0) await fuzzStreams(whole('live'))
  process.exit(0)
} catch (error) {
  say(error instanceof FuzzFailure ? error.message : String(error instanceof Error ? error.stack : error))
  process.exit(1)
}
