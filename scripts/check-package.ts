/**
 * `npm run check-package`: packs what would be published, installs it into an empty project, and uses it there as a
 * user would: as a library, from TypeScript with its types checked, and as a command. Needs the registry, or npm's cache.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** What may be in the package; all else is not for users. */
const allowed =
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/(bin|src)\/.*\.(js|d\.ts)|src\/wire\/[a-z]+\.proto)$/

/** What a user writes first, and has checked by TypeScript. */
const program = `import { createPeer, createClient, type Peer } from 'annulus'

const peer: Peer = await createPeer()
await peer.ready()
const client = await createClient({ peers: peer.multiaddrs })
const { replicas }: { replicas: number } = await client.put('key', new TextEncoder().encode('value'))
const found = await client.get('key')
console.log(replicas, found && new TextDecoder().decode(found.value))
await client.close()
await peer.stop()
`

const compilerOptions = { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, types: ['node'] }

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

function expect(holds: boolean, what: string): void {
  if (!holds) throw new Error(`does not hold: ${what}`)
  process.stdout.write(`${what}\n`)
}

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: ReadonlyArray<{ readonly path: string }>
}

/** The tarball, made of what has just been built. */
function pack(folder: string): Packed {
  const said = run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root)
  const [packed] = JSON.parse(said) as Packed[] // as npm documents it
  return packed!
}

function manifestVersion(): string {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string } // our own
  return manifest.version
}

function check(folder: string): void {
  const { filename, size, files } = pack(folder)
  const surplus = files.map(({ path }) => path).filter(path => !allowed.test(path))
  expect(surplus.length === 0, `the package holds only what users need ${surplus.join(', ')}`.trim())
  process.stdout.write(`${files.length} files, ${(size / 1e3).toFixed(0)} kB\n`)
  const project = join(folder, 'project')
  mkdirSync(project)
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'project', private: true, type: 'module' })
  )
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  writeFileSync(join(project, 'program.ts'), program)
  run('npm', ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, filename)], project)
  // The project's compiler and Node's types are those of this checkout: a user has some of their own.
  const types = join(root, 'node_modules', '@types')
  run(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.', '--typeRoots', types],
    project
  )
  expect(true, 'a program in TypeScript compiles against its types')
  expect(run(process.execPath, ['program.ts'], project) === '1 value\n', 'it puts and gets as a library')
  const command = join(project, 'node_modules', '.bin', 'annulus')
  const version = manifestVersion()
  expect(
    run(command, ['--version'], project).includes(version),
    `it is there as a command, of version ${version}`
  )
  expect(run(command, ['--help'], project).includes('annulus'), 'which says what it can do')
}

const folder = mkdtempSync(join(tmpdir(), 'annulus-package-'))
try {
  check(folder)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
