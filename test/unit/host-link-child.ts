/** A program that asks an agent something while the way to it is being made, and has nothing else to wait for. */
import { HostLink } from '../../runtime/hosts/host-link.js'

const link = new HostLink('host-1', process.argv[2]!)
const port = link.port(1)
port.on('message', (answer) => {
  process.stdout.write(String(answer))
  link.close()
})
port.ref()
