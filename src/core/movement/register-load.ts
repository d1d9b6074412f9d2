/** How many requests for keys a member serves now: bulk transfer stands back while there are any. */
export class RegisterLoad {
  #underWay = 0

  get isBusy(): boolean {
    return this.#underWay > 0
  }

  /** Counts one, whose work has just begun, until it has ended. */
  during<T>(work: Promise<T>): Promise<T> {
    this.#underWay++
    return work.finally(() => this.#underWay--)
  }
}
