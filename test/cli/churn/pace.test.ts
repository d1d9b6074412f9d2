import { expect, it } from 'vitest'
import { pacedClock, pacedTransport } from '../../../src/cli/churn/pace.ts'
import type { Remote, ServeContext, Transport, TransportHandlers } from '../../../src/core/ports.ts'

it('fires timers sooner, and lets the monotonic clock go faster', () => {
  const delays: number[] = []
  const clock = pacedClock(
    {
      now: () => 1_000,
      monotonic: () => 200,
      after: delayMs => {
        delays.push(delayMs)
        return { cancel: () => undefined }
      }
    },
    5
  )
  clock.after(1_000, () => undefined)
  expect([clock.now(), clock.monotonic(), ...delays]).toEqual([1_000, 1_000, 200])
})

it('sends deadlines in real time and serves them in its own, with a signal that is made when asked for', async () => {
  const sent: number[] = []
  let handlers: TransportHandlers | undefined
  const transport = pacedTransport(
    fakeTransport(sent, given => (handlers = given)),
    4
  )
  await transport.request({ peerId: 'p', life: 'l' }, new Uint8Array(), { timeoutMs: 400 })
  expect(sent).toEqual([100])

  const served: ServeContext[] = []
  const serve = (_body: Uint8Array, context: ServeContext): Promise<Uint8Array> => {
    served.push(context)
    return Promise.resolve(context.signal.aborted ? new Uint8Array(1) : new Uint8Array())
  }
  await transport.start({ ...noHandlers, serve })
  expect(await handlers!.serve(new Uint8Array(), new LazyContext())).toEqual(new Uint8Array())
  expect(served[0]?.timeoutMs).toBe(200)
})

/** As the channel makes them: the signal is no property of its own. */
class LazyContext implements ServeContext {
  readonly from = {} as Remote // nobody looks
  readonly timeoutMs = 50

  get signal(): AbortSignal {
    return new AbortController().signal
  }
}

const noHandlers: TransportHandlers = {
  greeting: () => ({ network: '', clusterId: '', generation: 0, role: 'peer', life: '', boot: 0, epoch: 0 }),
  admit: () => undefined,
  serve: () => Promise.resolve(new Uint8Array()),
  connected: () => undefined,
  disconnected: () => undefined
}

function fakeTransport(sent: number[], onStart: (handlers: TransportHandlers) => void): Transport {
  return {
    peerId: 'self',
    start: handlers => {
      onStart(handlers)
      return Promise.resolve()
    },
    stop: () => Promise.resolve(),
    request: (_to, _body, { timeoutMs }) => {
      sent.push(timeoutMs)
      return Promise.resolve(new Uint8Array())
    },
    connect: () => Promise.reject(new Error('nobody connects')),
    disconnect: () => undefined,
    remotes: () => [],
    addresses: {
      own: () => Promise.resolve(new Uint8Array()),
      learn: () => Promise.resolve(false),
      of: () => undefined,
      multiaddrs: () => []
    }
  }
}
