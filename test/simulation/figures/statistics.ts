/** Means with their uncertainty, for figures that are measured by sampling. */
export interface Sampled {
  readonly samples: number
  readonly mean: number
  /** Standard error of the mean: two means from other seeds differ by more than four of it once in 10,000 times. */
  readonly error: number
  readonly max: number
}

export function sampled(values: readonly number[]): Sampled {
  const samples = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / samples
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { samples, mean, error: Math.sqrt(squares / (samples - 1) / samples), max: Math.max(...values) }
}

/** The figure as a table shows it: the mean and its standard error. */
export function shown({ mean, error }: Sampled, digits = 2): string {
  return `${mean.toFixed(digits)} ± ${error.toFixed(digits)}`
}
