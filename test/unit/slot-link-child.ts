/** A program that ends a worker whose agent is frozen, and has nothing else to wait for. */
import { Agent } from '../../runtime/hosts/agent.js'
import { SlotLink } from '../../runtime/hosts/slot-link.js'

const agent = new Agent()
process.kill(agent.pid!, 'SIGSTOP')
const slot = new SlotLink(agent, 1, 'thread', () => undefined)
agent.hear({ onMessage: () => {}, onEnd: (why) => slot.gone(why) })
await slot.kill()
process.stdout.write('ended')
