/** Write PNG files for the tests of the command line, and compare pictures. */

import { readFileSync, writeFileSync } from "node:fs";
import { crc32, deflateSync } from "node:zlib";

import { decode, encode } from "fast-png";

export interface Levels {
  data: number[];
  width: number;
  height: number;
  channels: number;
}

export function readPng(path: string): Levels {
  const { data, width, height, channels } = decode(readFileSync(path));
  return { data: [...data], width, height, channels };
}

export function writePng(path: string, { data, ...form }: Levels, depth: 8 | 16 = 8): void {
  const levels = depth === 8 ? Uint8Array.from(data) : Uint16Array.from(data, (level) => 257 * level);
  writeFileSync(path, encode({ ...form, data: levels, depth }));
}

/** Writes an indexed PNG, which fast-png cannot write; `alphas` are the opacities of the colours. */
export function writeIndexed(path: string, { data, width, height }: Levels, colours: number[][], alphas: number[]) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 3], 8); // bits a pixel; by index
  const rows = Array.from({ length: height }, (_, y) => [0, ...data.slice(y * width, (y + 1) * width)]); // 0: no filter
  const chunks = { IHDR: header, PLTE: colours.flat(), tRNS: alphas, IDAT: deflateSync(Buffer.from(rows.flat())) };
  const signature = Buffer.from("\x89PNG\r\n\x1a\n", "latin1");
  const body = Object.entries({ ...chunks, IEND: [] }).map(([name, content]) => chunk(name, Buffer.from(content)));
  writeFileSync(path, Buffer.concat([signature, ...body]));
}

function chunk(name: string, content: Buffer): Buffer {
  const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
  const named = Buffer.concat([Buffer.from(name, "latin1"), content]);
  length.writeUInt32BE(content.length);
  sum.writeUInt32BE(crc32(named));
  return Buffer.concat([length, named, sum]);
}

/** The largest difference of two pictures in grey levels; NaN if their formats differ. */
export function apart(found: Levels, expected: Levels): number {
  const form = ({ width, height, channels, data }: Levels) => String([width, height, channels, data.length]);
  if (form(found) !== form(expected)) return NaN;
  return found.data.reduce((most, level, i) => Math.max(most, Math.abs(level - expected.data[i])), 0);
}
