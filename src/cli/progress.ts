/** A progress bar on a terminal, and nothing elsewhere; messages go above it. */
import { canAnimate, say } from './terminal.ts'

export interface Progress {
  /** One more is done. */
  step(): void
  /** Says something on a line of its own. */
  say(message: string): void
  /** Takes the bar away. */
  end(): void
}

export const onlyMessages: Progress = { step: () => undefined, say, end: () => undefined }

/** A bar for `total` steps; `verb` says what is done to them. */
export async function startProgress(verb: string, total: number): Promise<Progress> {
  if (!canAnimate()) return onlyMessages
  const { default: cliProgress } = await import('cli-progress')
  const bars = new cliProgress.MultiBar({
    stream: process.stderr,
    format: `${verb} [{bar}] {percentage} % | {value} of {total} files | {eta_formatted} left`,
    barCompleteChar: '#',
    barIncompleteChar: '-',
    hideCursor: true,
    clearOnComplete: true,
    // Ctrl-C is ours to handle.
    gracefulExit: false
  })
  const bar = bars.create(total, 0)
  return {
    step: () => bar.increment(),
    say: message => bars.log(`annulus: ${message}\n`),
    end: () => {
      // Messages wait for the next drawing; there is none after the end.
      bars.update()
      bars.stop()
    }
  }
}
