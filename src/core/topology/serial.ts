/** Runs tasks one after the other, in the order in which they came. Used where disk and memory must agree. */
export class Serial {
  #last: Promise<unknown> = Promise.resolve()

  run<T>(task: () => Promise<T>): Promise<T> {
    const next = this.#last.then(task)
    // The one behind must run whether or not this one failed; this one's caller gets the failure.
    this.#last = next.catch(() => undefined)
    return next
  }
}
