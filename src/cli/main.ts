/**
 * The command line as a whole: knows all verbs, turns whatever they throw into one line and an exit code. Loaded
 * by bin/annulus.ts. Nothing here loads a verb that is not named, and no verb loads libp2p before it is needed, so
 * that help is there at once.
 */
import { inspect } from 'node:util'
import { Command, CommanderError } from 'commander'
import { describeError, exitCodes } from './errors.ts'
import { flushOutput, say, tolerateClosedPipes } from './terminal.ts'
import { verbGroups } from './verbs.ts'
import { programVersion } from '../version.ts'

/** Runs the command with these arguments (without node and script), and exits the process. */
export async function main(args: readonly string[]): Promise<void> {
  tolerateClosedPipes()
  const program = await createProgram(args)
  let exitCode = 0
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    exitCode = report(error, program.opts()['verbose'] === true)
  }
  await flushOutput()
  // The verb is done; sockets and timers of libraries that linger are no reason to wait.
  process.exit(exitCode)
}

/** The whole command line; of the verbs that these arguments do not name, as much as the overall help shows. */
async function createProgram(args: readonly string[]): Promise<Command> {
  const program = new Command('annulus')
    .description('A masterless, replicated, linearizable key-value store. Every peer answers for any key.')
    .version(programVersion(), '-V, --version', 'print the version')
    .option('-v, --verbose', 'log to stderr what happens, and where an error comes from')
    .helpOption('-h, --help', 'say what there is and how to use it')
    .helpCommand('help [command]', 'say how to use a command')
    .configureOutput({ outputError: message => say(explainUsage(message)) })
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()
  for (const { heading, verbs } of verbGroups) {
    program.commandsGroup(heading)
    for (const { name, takes, about, load } of verbs) {
      const command = program.command(name).description(about)
      if (args.includes(name)) (await load())(command)
      else if (takes !== '') command.arguments(takes)
    }
  }
  return program.addHelpText(
    'after',
    `
Examples:
  annulus start                       run a peer; it founds a cluster of its own
  annulus start --join MULTIADDR      run a peer that joins another's cluster
  annulus cluster 5                   run five peers here, to try it
  annulus put greeting hello          store a value, through the peer that runs here
  annulus get greeting                and read it back
  annulus status                      see who is on the ring

Exit codes: 0 done, 1 error, 2 usage, 3 not found, 4 no peer reachable, 5 quorum not met,
6 timed out with the outcome unknown, 130 interrupted.`
  )
}

/** Says what went wrong on stderr, unless commander has already, and returns the exit code. */
function report(error: unknown, verbose: boolean): number {
  // Help and version end by such an error too, with exit code 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitCodes.usage
  const { line, exitCode } = describeError(error)
  say(line)
  if (verbose) process.stderr.write(`${inspect(error)}\n`)
  return exitCode
}

/** Commander's words in our form, on one line: `error: unknown command 'strat'\n(Did you mean start?)`. */
function explainUsage(message: string): string {
  const words = message
    .replace(
      /^error: (command-argument value (.*) is invalid for)?/,
      (_all, value?: string, given?: string) => (value === undefined ? '' : `${given!} is no valid`)
    )
    .trim()
    .replace(/\s*\n\s*/g, ' ')
  // Our own parsers end with advice: "... is invalid. Give a number."
  const [what, advice] = words.split(/\. (?=Give )/)
  return advice === undefined
    ? `${what!}; see annulus --help`
    : `${what!}; ${lowerFirst(advice.replace(/\.$/, ''))}`
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
