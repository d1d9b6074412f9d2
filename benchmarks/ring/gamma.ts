/** What share of a ring a peer with V virtual nodes holds in theory: Gamma(V, 1/V) times the mean, for many peers. */

/** The relative error of the search. */
const precision = 1e-9

/** The value below which a part `fraction` of Gamma(shape, 1/shape) lies; its mean is 1. `shape`: whole. */
export function gammaQuantile(shape: number, fraction: number): number {
  let low = 0
  let high = 1
  while (erlang(shape, high * shape) < fraction) high *= 2
  while (high - low > precision * high) {
    const middle = (low + high) / 2
    if (erlang(shape, middle * shape) < fraction) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The sum of `shape` exponential variables of mean 1 is below x: that a Poisson process has had as many by then. */
function erlang(shape: number, x: number): number {
  let fewer = 0
  let logFactorial = 0
  for (let count = 0; count < shape; count++) {
    if (count > 0) logFactorial += Math.log(count)
    fewer += Math.exp(count * Math.log(x) - x - logFactorial)
  }
  return 1 - fewer
}
