/** Seeded draws, so that a run of `annulus churn` can be planned alike again. */

export interface Draws {
  /** Uniform in [0, 1). */
  float(): number
  /** Exponential, with this mean. */
  exponential(mean: number): number
  /** A whole number in [0, below). */
  integer(below: number): number
}

/** Draws from a seed: mulberry32, whose 32 bits of state are enough for what is planned here. */
export function drawsFrom(seed: number): Draws {
  let state = seed >>> 0
  const float = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = state
    z = Math.imul(z ^ (z >>> 15), z | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    float,
    exponential: mean => -mean * Math.log(1 - float()),
    integer: below => Math.floor(float() * below)
  }
}
