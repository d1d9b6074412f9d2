import { describe, expect, it } from 'vitest'
import { EventEmitter } from '../../src/core/emitter.ts'
import { silent } from './topology/fakes.ts'

const detail = { reason: 'x' }

describe('the emitter', () => {
  it('calls the listeners of an event in the order in which they were added, until they end it', () => {
    const emitter = new EventEmitter({ logger: silent })
    const calls: string[] = []
    const stopFirst = emitter.on('waiting', ({ reason }) => calls.push(`first ${reason}`))
    emitter.on('waiting', () => calls.push('second'))
    emitter.on('failed', () => calls.push('another event'))
    emitter.emit('waiting', detail)
    stopFirst()
    stopFirst()
    emitter.emit('waiting', detail)
    expect(calls).toEqual(['first x', 'second', 'second'])
  })

  it('takes a listener that is added twice for two', () => {
    const emitter = new EventEmitter({ logger: silent })
    let calls = 0
    const listener = (): number => calls++
    emitter.on('waiting', listener)
    const stopOne = emitter.on('waiting', listener)
    stopOne()
    emitter.emit('waiting', detail)
    expect(calls).toBe(1)
  })

  it('goes on with the others where one throws, and logs it', () => {
    const logged: string[] = []
    const emitter = new EventEmitter({ logger: { ...silent, error: message => logged.push(message) } })
    let calls = 0
    emitter.on('waiting', () => {
      throw new Error('a fault of the user')
    })
    emitter.on('waiting', () => calls++)
    emitter.emit('waiting', detail)
    expect([calls, logged]).toEqual([1, ['a listener threw']])
  })

  it('does not call at an event who was added during it', () => {
    const emitter = new EventEmitter({ logger: silent })
    let calls = 0
    emitter.on('waiting', () => emitter.on('waiting', () => calls++))
    emitter.emit('waiting', detail)
    expect(calls).toBe(0)
  })
})
