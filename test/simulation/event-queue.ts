/**
 * The events that are set in virtual time, the next one first: a binary heap. Most timers are cancelled long before
 * they are due (deadlines, mostly), so cancelled ones are swept out as soon as they are the greater part; else
 * the heap of a large cluster would be full of them. Used by clock.ts.
 */
export interface Event {
  readonly atMs: number
  /** Orders events of one moment, before `sequence` does. */
  readonly tie: number
  readonly sequence: number
  /** Undefined once it fired or was cancelled. */
  fire: (() => void) | undefined
}

/** Fewer cancelled events are not worth a sweep. */
const minSwept = 64

export class EventQueue {
  #heap: Event[] = []
  #cancelled = 0

  /** Events that are not cancelled. */
  get size(): number {
    return this.#heap.length - this.#cancelled
  }

  /** Events in memory, cancelled ones among them: what it costs. */
  get held(): number {
    return this.#heap.length
  }

  push(event: Event): void {
    this.#heap.push(event)
    this.#rise(this.#heap.length - 1)
  }

  cancel(event: Event): void {
    if (event.fire === undefined) return
    event.fire = undefined
    this.#cancelled++
    if (this.#cancelled > minSwept && this.#cancelled > this.#heap.length / 2) this.#sweep()
  }

  /** The next event; it stays in the queue. */
  peek(): Event | undefined {
    while (this.#heap[0] !== undefined && this.#heap[0].fire === undefined) {
      this.#removeTop()
      this.#cancelled--
    }
    return this.#heap[0]
  }

  pop(): Event | undefined {
    const event = this.peek()
    if (event !== undefined) this.#removeTop()
    return event
  }

  /** Order is total, so a heap built anew gives the same events in the same order. */
  #sweep(): void {
    this.#heap = this.#heap.filter(({ fire }) => fire !== undefined)
    this.#cancelled = 0
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#sink(at)
  }

  #removeTop(): void {
    const last = this.#heap.pop()
    if (last === undefined || this.#heap.length === 0) return
    this.#heap[0] = last
    this.#sink(0)
  }

  #rise(from: number): void {
    const heap = this.#heap
    const event = heap[from]!
    let at = from
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #sink(from: number): void {
    const heap = this.#heap
    const event = heap[from]!
    let at = from
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, event)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = event
  }
}

function isBefore(a: Event, b: Event): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs
  if (a.tie !== b.tie) return a.tie < b.tie
  return a.sequence < b.sequence
}
