/** How often each word stands in a text. A word is a maximal run of non-whitespace, as in `split(/\s+/)`; case is kept. */
export function countWords(text: string): Map<string, number> {
  const counts = new Map<string, number>()
  let start = -1
  for (let i = 0; i < text.length; i++) {
    const space = isSpace(text.charCodeAt(i))
    if (!space && start < 0) start = i
    else if (space && start >= 0) {
      add(counts, text.slice(start, i))
      start = -1
    }
  }
  if (start >= 0) add(counts, text.slice(start))
  return counts
}

const add = (counts: Map<string, number>, word: string): void => void counts.set(word, (counts.get(word) ?? 0) + 1)

/** What `\s` matches. The first test settles nearly every character of most texts. */
export const isSpace = (code: number): boolean =>
  code <= 32 ? code === 32 || (code >= 9 && code <= 13) : code >= 160 && (code === 160 || (code >= 0x1680 && isRareSpace(code)))

const isRareSpace = (code: number): boolean =>
  code === 0x1680 ||
  (code >= 0x2000 && code <= 0x200a) ||
  code === 0x2028 ||
  code === 0x2029 ||
  code === 0x202f ||
  code === 0x205f ||
  code === 0x3000 ||
  code === 0xfeff
