import { once } from 'node:events'
import { createServer } from 'node:net'

/** A node of a Cluster talks to the others on a port that is this much higher. */
const BUS = 10_000
/** Neither a port nor that of its bus is one that the system gives to whoever connects to somebody, from 32,768 on. */
const FROM = 12_000
const TO = 22_000

/** Ports of this machine that nobody listens on, with those of the bus. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > 1000) throw new Error('no free ports')
    const port = FROM + Math.floor(Math.random() * (TO - FROM))
    if (!ports.includes(port) && (await isFree(port)) && (await isFree(port + BUS))) ports.push(port)
  }
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return true
  } catch {
    return false
  } finally {
    server.close()
  }
}
