import { commandLine } from './command-line.js'
import { countWords } from './count-words.js'
import { pieces, textFiles, textsIn } from './texts.js'

/** The same count as a plain program, to compare with: sequential.ts [FOLDER] */
const [folder] = commandLine('sequential.ts', '[FOLDER]')

const total = new Map<string, number>()
for await (const path of textFiles(textsIn(folder))) {
  for await (const piece of pieces(path)) for (const [word, n] of countWords(piece)) total.set(word, (total.get(word) ?? 0) + n)
}
for (const [word, n] of total) console.log(`${word} ${n}`)
