import { writeSync } from 'node:fs'
import { Piscina } from 'piscina'

const pool = new Piscina({ filename: new URL('../bodies/echo.js', import.meta.url).href, name: 'echo', minThreads: 2, maxThreads: 2 })
writeSync(1, String(await pool.run(42)))
await pool.destroy()
