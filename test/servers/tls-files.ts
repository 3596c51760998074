import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TlsFiles } from './redis.js'

const run = promisify(execFile)

/**
 * An authority of its own in a folder, and a certificate that it has signed for `names` (`IP:127.0.0.1`, `DNS:…`). Needs openssl.
 * @throws (ENOENT) there is none
 */
export async function tlsFiles(folder: string, names: string): Promise<TlsFiles> {
  const at = (name: string): string => join(folder, name)
  const [ca, caKey, cert, key, request, extensions] = ['ca.pem', 'ca-key.pem', 'cert.pem', 'key.pem', 'request.pem', 'extensions'].map(at)
  const fresh = ['-newkey', 'rsa:2048', '-nodes']
  await run('openssl', ['req', '-x509', ...fresh, '-keyout', caKey!, '-out', ca!, '-subj', '/CN=insitu test authority', '-days', '2'])
  await run('openssl', ['req', ...fresh, '-keyout', key!, '-out', request!, '-subj', '/CN=insitu test'])
  await writeFile(extensions!, `subjectAltName=${names}\n`)
  const signed = ['-CA', ca!, '-CAkey', caKey!, '-CAcreateserial', '-days', '2', '-extfile', extensions!]
  await run('openssl', ['x509', '-req', '-in', request!, '-out', cert!, ...signed])
  return { ca: ca!, cert: cert!, key: key! }
}
