/** How fast downloads go: the two models of the published makespans. */
export interface Download {
  readonly from: number
  readonly to: number
  readonly object: number
  readonly mib: number
}

export interface Links {
  open(download: Download, now: number): void
  /** When the next download ends, or infinity. */
  nextEnd(): number
  /** Downloads that have ended by `now`, taken out. */
  takeEnded(now: number): readonly Download[]
}

/** Each download gets the whole bandwidth, whatever else runs. */
export class SimpleLinks implements Links {
  #open: { readonly download: Download; readonly end: number }[] = []

  constructor(readonly mibPerSecond: number) {}

  open(download: Download, now: number): void {
    this.#open.push({ download, end: now + download.mib / this.mibPerSecond })
  }

  nextEnd(): number {
    return this.#open.reduce((first, { end }) => Math.min(first, end), Number.POSITIVE_INFINITY)
  }

  takeEnded(now: number): readonly Download[] {
    const ended = this.#open.filter(({ end }) => end <= now)
    if (ended.length > 0) this.#open = this.#open.filter(({ end }) => end > now)
    return ended.map(({ download }) => download)
  }
}

interface Link {
  readonly from: number
  readonly to: number
  readonly downloads: { readonly download: Download; left: number }[]
  /** MiB/s for all its downloads together. */
  speed: number
}

/** What is left of a download counts as nothing below this many MiB. */
const NOTHING = 2e-6

/** Each worker sends and receives at most the bandwidth; links in use share it max-min fairly, downloads on a link share the link. */
export class MaxMinLinks implements Links {
  readonly #links = new Map<number, Link>()
  #now = 0

  constructor(
    readonly workers: number,
    readonly mibPerSecond: number,
  ) {}

  open(download: Download, now: number): void {
    this.#advance(now)
    const key = download.from * this.workers + download.to
    const link = this.#links.get(key)
    if (link !== undefined) return void link.downloads.push({ download, left: download.mib })
    this.#links.set(key, { from: download.from, to: download.to, downloads: [{ download, left: download.mib }], speed: 0 })
    this.#share()
  }

  nextEnd(): number {
    let end = Number.POSITIVE_INFINITY
    for (const { downloads, speed } of this.#links.values())
      for (const { left } of downloads) end = Math.min(end, this.#now + (left * downloads.length) / speed)
    return end
  }

  takeEnded(now: number): readonly Download[] {
    this.#advance(now)
    const ended: Download[] = []
    let closed = false
    for (const [key, { downloads }] of this.#links) {
      for (let i = downloads.length - 1; i >= 0; i--)
        if (downloads[i]!.left < NOTHING) ended.push(...downloads.splice(i, 1).map((d) => d.download))
      if (downloads.length === 0) closed = this.#links.delete(key)
    }
    if (closed) this.#share()
    return ended
  }

  #advance(now: number): void {
    for (const { downloads, speed } of this.#links.values())
      for (const open of downloads) open.left -= ((now - this.#now) * speed) / downloads.length
    this.#now = now
  }

  /** Fills evenly until an end of some link is full, gives those links what they have, and goes on with the rest. */
  #share(): void {
    const ends = new Map<string, { room: number; links: Set<Link> }>()
    const endOf = (name: string): { room: number; links: Set<Link> } => {
      const end = ends.get(name) ?? { room: this.mibPerSecond, links: new Set() }
      ends.set(name, end)
      return end
    }
    for (const link of this.#links.values()) for (const end of [endOf(`>${link.from}`), endOf(`<${link.to}`)]) end.links.add(link)
    for (let left = this.#links.size; left > 0; ) {
      let tightest: { room: number; links: Set<Link> } | undefined
      for (const end of ends.values())
        if (end.links.size > 0 && (!tightest || end.room / end.links.size < tightest.room / tightest.links.size)) tightest = end
      const speed = tightest!.room / tightest!.links.size
      for (const link of [...tightest!.links]) {
        link.speed = speed
        left--
        for (const end of [endOf(`>${link.from}`), endOf(`<${link.to}`)]) {
          end.room -= speed
          end.links.delete(link)
        }
      }
    }
  }
}
