/** The identity of a client: a private key that it is given, one in a file, or a new one. Used by `createClient`. */
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { open, readFile, stat } from 'node:fs/promises'
import type { ClientInit } from './api.ts'
import { AnnulusError } from './core/errors.ts'

/** How an identity file begins; then follows a line that says how the key is written, and the key. */
const header = '/annulus/identity/1.0.0/\n/base64/\n'

/** Bytes of an identity file: several times what the largest kind of key takes. */
const maxFileBytes = 16 * 1024

/** Whoever reads the file can pass for that client, so nobody but its owner may. */
const ownerOnly = 0o600

/** Throws ERR_INVALID. */
export async function clientIdentity({
  privateKey,
  identityFile
}: Pick<ClientInit, 'privateKey' | 'identityFile'>): Promise<PrivateKey> {
  if (privateKey !== undefined && identityFile !== undefined) {
    throw invalid('"privateKey" and "identityFile" are both given; a client has one identity')
  }
  if (identityFile !== undefined) return readIdentity(identityFile)
  if (privateKey === undefined) return generateKeyPair('Ed25519')
  try {
    return privateKeyFromProtobuf(privateKey)
  } catch (error) {
    throw invalid('"privateKey" is none that libp2p reads', error)
  }
}

/** Writes a new identity into a file that must not be there yet; gives its peer id. Throws errors of the file system. */
export async function writeNewIdentity(path: string): Promise<string> {
  const key = await generateKeyPair('Ed25519')
  const file = await open(path, 'wx', ownerOnly)
  try {
    await file.writeFile(`${header}${Buffer.from(privateKeyToProtobuf(key)).toString('base64')}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  return peerIdFromPrivateKey(key).toString()
}

/** Throws ERR_INVALID, naming the file. */
export async function readIdentity(path: string): Promise<PrivateKey> {
  const text = await readText(path)
  if (!text.startsWith(header)) {
    throw invalid(`${path} is no identity file: it must begin with ${header.split('\n')[0]!}`)
  }
  try {
    return privateKeyFromProtobuf(Buffer.from(text.slice(header.length).trim(), 'base64'))
  } catch (error) {
    throw invalid(`the key in the identity file ${path} is damaged`, error)
  }
}

async function readText(path: string): Promise<string> {
  try {
    // A device may never end, and nothing else that is large is an identity.
    const stats = await stat(path)
    if (!stats.isFile() || stats.size > maxFileBytes) throw new Error('it is no small regular file')
    return await readFile(path, 'latin1')
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw invalid(`the identity file ${path} cannot be read: ${problem}`, error)
  }
}

function invalid(message: string, cause?: unknown): AnnulusError {
  return new AnnulusError('ERR_INVALID', message, { cause })
}
