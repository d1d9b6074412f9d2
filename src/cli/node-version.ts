/** Whether this Node can run Annulus; bin/annulus.ts asks before it loads anything else. */

/** The oldest Node whose APIs we and libp2p use: the same as `engines` in package.json. */
const oldest = { major: 22, minor: 18 }

/** Says why this version of Node will not do, and what to do about it; undefined where it will. */
export function nodeTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldest.major || (major === oldest.major && minor >= oldest.minor)) return undefined
  return `this is Node ${version}, which is too old; install Node ${oldest.major}.${oldest.minor} or newer`
}
