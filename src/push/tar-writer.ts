// Writes a tar whose bytes depend on names and contents alone: no times, no owners, no order of a folder. ustar, with
// GNU's base-256 sizes for files of 8 GiB and more, which every tar reads.

import { TAR_BLOCK } from "./tar-header.ts";

const LARGEST_OCTAL = 0o77777777777;

/** The header of a regular file; names of more than 100 bytes are not needed here and refused. */
export function renderTarHeader(name: string, size: number): Buffer {
  if (Buffer.byteLength(name) > 100) throw new Error(`Cannot write "${name}" into a tar: the name is too long`);
  const header = Buffer.alloc(TAR_BLOCK);
  header.write(name, 0);
  header.write("0000644\x000000000\x000000000\0", 100, "latin1");
  writeSize(header, size);
  header.write("00000000000\0        0", 136, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/** What fills the last block of a file. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK);
}

/** What ends a tar. */
export const TAR_END: Buffer = Buffer.alloc(2 * TAR_BLOCK);

function writeSize(header: Buffer, size: number): void {
  if (size <= LARGEST_OCTAL) {
    header.write(`${size.toString(8).padStart(11, "0")}\0`, 124, "latin1");
    return;
  }
  header.writeUInt8(0x80, 124);
  header.writeBigUInt64BE(BigInt(size), 128);
}
