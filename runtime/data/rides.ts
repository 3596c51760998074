/** Which values of tasks travel with the messages that tell of them. */
import type { Carried } from '../engines/messages.js'

/** Smaller ones ride in the message that tells of their task: to ask for them would cost more. */
const RIDES_BYTES_MAX = 64 * 1024

/** Whether a value is so large that it stays on its host, where there are hosts. */
export const staysAtHost = (value: Carried): value is Extract<Carried, { readonly k: 'v' }> =>
  typeof value === 'object' && value !== null && value.k === 'v' && !value.f && value.b.length > RIDES_BYTES_MAX
