/** What a run of `annulus churn` is told. All times but the deadline are the cluster's; see `pace`. */

export interface ChurnSettings {
  readonly seed: number
  /** There from the start, and about so many at any time. */
  readonly peers: number
  readonly replicas: number
  readonly vnodes: number
  /** Of the sessions, in ms; undefined where a trace is played. */
  readonly medianMs: number | undefined
  readonly durationMs: number
  /** Of those that depart, the share that leaves; the others are killed. */
  readonly leaveShare: number
  /** Of those that depart, the share that returns with its disk. */
  readonly returnShare: number
  /** How long those stay away on average, in ms. */
  readonly awayMs: number
  /** After so many ms of being down a member is removed. */
  readonly removeAfterMs: number
  /** How many times faster than real the cluster's time goes. */
  readonly pace: number
  readonly keys: number
  readonly valueBytes: number
  /** Operations per second. */
  readonly rate: number
  readonly getShare: number
  /** Of one operation, in real ms. */
  readonly deadlineMs: number
}
