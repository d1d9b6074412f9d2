/** G9, honest errors: by the judge that `annulus churn` has too. */
export { checkHonesty } from '../../../../src/judge/honesty.ts'
