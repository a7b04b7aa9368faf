/**
 * The two-sided 95 % quantile of Student's t distribution: P(|T| <= t) = 0.95.
 * @param degrees of freedom, a whole number of 1 or more; 1 gives 12.71, 4 gives 2.78, infinity would give 1.96
 */
export function studentT95(degrees: number): number {
  let [low, high] = [0, Math.PI / 2]
  for (let halving = 0; halving < 60; halving++) {
    const theta = (low + high) / 2
    if (within(theta, degrees) < 0.95) low = theta
    else high = theta
  }
  return Math.sqrt(degrees) * Math.tan(low)
}

/**
 * P(|T| <= t) with theta = atan(t / sqrt(degrees)), exact for whole degrees (Abramowitz and Stegun, 26.7.3 and 26.7.4):
 * odd: 2/pi (theta + sin cos (1 + 2/3 cos^2 + 2*4/(3*5) cos^4 + ...)), even: sin (1 + 1/2 cos^2 + 1*3/(2*4) cos^4 + ...),
 * each sum up to the power degrees - 3 or degrees - 2.
 */
function within(theta: number, degrees: number): number {
  const [sin, cos] = [Math.sin(theta), Math.cos(theta)]
  const isOdd = degrees % 2 === 1
  let term = isOdd ? cos : 1
  let sum = degrees === 1 ? 0 : term
  for (let n = isOdd ? 3 : 2; n <= degrees - 2; n += 2) {
    term *= ((n - 1) / n) * cos * cos
    sum += term
  }
  return isOdd ? (2 / Math.PI) * (theta + sin * sum) : sin * sum
}
