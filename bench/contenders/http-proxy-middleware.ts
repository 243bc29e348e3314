// http-proxy-middleware in express as its README has it: copies a request to one region, and looks at nothing.
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { serve } from './http.ts'

const [, target = ''] = process.argv.slice(2)
serve(express().use(createProxyMiddleware({ target, changeOrigin: true })))
