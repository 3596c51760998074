/** Slots of Redis Cluster: CRC16 (XMODEM) of the hash tag, modulo 16384. */

const SLOTS = 16384

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let i = 0; i < 8; i++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc
})

const known = new Map<number, number>()

/** The slot of a partition's keys. */
export function slotOf(partition: number): number {
  let slot = known.get(partition)
  if (slot === undefined) known.set(partition, (slot = crc16(String(partition)) % SLOTS))
  return slot
}

function crc16(text: string): number {
  let crc = 0
  for (let i = 0; i < text.length; i++) crc = ((crc << 8) & 0xffff) ^ TABLE[((crc >> 8) ^ text.charCodeAt(i)) & 0xff]!
  return crc
}
