/**
 * The packages and programs that Annulus is compared with. They are no part of the project's own install, so they may
 * be missing, and their types with them: each user of a package states the part that it needs.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const installLine = 'npm ci --prefix benchmarks/compare'

/** How to install a package, where it is missing. */
export function missingPackage(name: string): string | undefined {
  try {
    import.meta.resolve(name)
    return undefined
  } catch {
    return `the package ${name} is not installed: ${installLine}`
  }
}

/** How to install a program, where one of them is missing. */
export function missingProgram(names: readonly string[], debianPackage: string): string | undefined {
  const missing = names.find(name => spawnSync(name, ['--version'], { stdio: 'ignore' }).error !== undefined)
  return missing === undefined ? undefined : `${missing} is not installed: apt-get install ${debianPackage}`
}

/** `T` is the part of the package that is used; only running it shows whether that is right. */
export async function load<T>(name: string): Promise<T> {
  const loaded: unknown = await import(name)
  return loaded as T
}

/** A script beside the systems that runs one of their nodes in a process of its own. */
export function nodeScript(name: string): string {
  return fileURLToPath(new URL(`./systems/${name}`, import.meta.url))
}
