import { describe, expect, it } from 'vitest'
import { drain, VirtualTime } from './clock.ts'

describe('draining', () => {
  const callers = {
    tick: (act: () => void) => process.nextTick(act),
    'turn of the event loop': (act: () => void) => setImmediate(act)
  }
  it.each(Object.entries(callers))('waits for chains of promises also within a %s', async (_name, call) => {
    const steps = await new Promise<number>(resolve => {
      call(() => {
        let done = 0
        void (async () => {
          for (; done < 1_000; done++) await Promise.resolve()
        })()
        void drain().then(() => resolve(done))
      })
    })
    expect(steps).toBe(1_000)
  })

  it('lets a promise settle that takes no time, whoever waits for it', async () => {
    const time = new VirtualTime()
    const chain = async (): Promise<string> => {
      for (let i = 0; i < 100; i++) await Promise.resolve()
      return 'done'
    }
    const settled = new Promise(resolve => setImmediate(() => resolve(time.settle(chain()))))
    expect(await settled).toBe('done')
  })
})
