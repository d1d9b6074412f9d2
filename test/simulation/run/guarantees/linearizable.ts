/** G4 by versions, and G6 as far as expiry goes: by the judge that `annulus churn` has too. */
export { checkVersions } from '../../../../src/judge/versions.ts'
