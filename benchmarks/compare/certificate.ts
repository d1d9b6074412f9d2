/** A certificate for loopback, made anew for each run: for the systems that encrypt with TLS. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Certificate {
  readonly keyFile: string
  /** Signed by itself, so it is its own authority. */
  readonly certificateFile: string
  readonly certificate: Buffer
}

const openSslTimeoutMs = 20_000

export function makeCertificate(folder: string): Certificate {
  const keyFile = join(folder, 'key.pem')
  const certificateFile = join(folder, 'certificate.pem')
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile]
  const names = ['-subj', '/CN=annulus-bench', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  execFileSync('openssl', ['req', '-x509', ...key, ...names, '-days', '2', '-out', certificateFile], {
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: openSslTimeoutMs
  })
  return { keyFile, certificateFile, certificate: readFileSync(certificateFile) }
}
