/** The version of this program, from its package.json. */
import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'

export function programVersion(): string {
  // Found by Node, because the way there from dist/ is another than from the sources.
  const path = findPackageJSON('..', import.meta.url)
  const manifest: unknown = path === undefined ? undefined : JSON.parse(readFileSync(path, 'utf8'))
  if (typeof manifest === 'object' && manifest !== null && 'version' in manifest)
    return String(manifest.version)
  return 'unknown'
}
